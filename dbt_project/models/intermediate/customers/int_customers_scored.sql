with

buyers as (
    select * from {{ ref('int_customers_purchased') }}
    where order_count > 0
),

revenues as (
    select * from {{ ref('int_customers_valued') }}
),

-- The best are last in each order: bought lately, often, and for much.
scored as (
    select
        buyers.customer_id,
        {{ quintile_score('buyers.last_ordered_on') }} as recency_score,
        {{ quintile_score('buyers.purchase_day_count') }} as frequency_score,
        {{ quintile_score('revenues.net_revenue_total') }} as monetary_score
    from buyers
    inner join revenues on buyers.customer_id = revenues.customer_id
),

final as (
    select
        customer_id,
        recency_score,
        frequency_score,
        monetary_score,
        cast(100 * recency_score + 10 * frequency_score + monetary_score as {{ dbt.type_string() }})
            as rfm_score
    from scored
)

select * from final
