with

revenues as (
    select
        customer_id,
        net_revenue_total
    from {{ ref('int_customers_valued') }}
),

abc_classes as (
    select * from {{ ref('abc_classes') }}
),

cumulated as (
    select
        customer_id,
        sum(net_revenue_total) over () as total,
        sum(net_revenue_total) over (
            order by net_revenue_total desc, customer_id asc
            rows between unbounded preceding and current row
        ) - net_revenue_total as revenue_before
    from revenues
    where net_revenue_total > 0
),

-- Judged by what lies before the customer: by what includes it, a sole customer would be a C.
placed as (
    select
        cumulated.customer_id,
        min(abc_classes.class_rank) as class_rank
    from cumulated
    inner join abc_classes on cumulated.revenue_before < abc_classes.up_to_share * cumulated.total
    group by cumulated.customer_id
),

bounds as (
    select
        max(class_rank) as last_class_rank,
        (select count(*) from cumulated) as ranked_customers
    from abc_classes
),

ranked as (
    select
        revenues.customer_id,
        case
            when bounds.ranked_customers > 0
                then coalesce(placed.class_rank, bounds.last_class_rank)
        end as class_rank
    from revenues
    cross join bounds
    left join placed on revenues.customer_id = placed.customer_id
),

final as (
    select
        ranked.customer_id,
        abc_classes.abc_class
    from ranked
    left join abc_classes on ranked.class_rank = abc_classes.class_rank
)

select * from final
