with

customers as (
    select * from {{ ref('int_customers_described') }}
),

purchases as (
    select * from {{ ref('int_documents_summed') }}
    where is_purchase and customer_id is not null
),

counted as (
    select
        customer_id,
        count(*) as order_count,
        count(distinct invoiced_on) as purchase_day_count,
        min(invoiced_on) as first_ordered_on,
        max(invoiced_on) as last_ordered_on
    from purchases
    group by customer_id
),

final as (
    select
        customers.customer_id,
        coalesce(counted.order_count, 0) as order_count,
        coalesce(counted.purchase_day_count, 0) as purchase_day_count,
        counted.first_ordered_on,
        counted.last_ordered_on,
        case
            when counted.purchase_day_count >= 2
                then cast(
                    {{ dbt.datediff('counted.first_ordered_on', 'counted.last_ordered_on', 'day') }}
                    as double
                ) / (counted.purchase_day_count - 1)
        end as purchase_interval_days
    from customers
    left join counted on customers.customer_id = counted.customer_id
)

select * from final
