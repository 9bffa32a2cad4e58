with

customers as (
    select * from {{ ref('int_customers_described') }}
),

documents as (
    select * from {{ ref('int_documents_summed') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

tiers as (
    select * from {{ ref('tiers') }}
),

rules as (
    select {{ rule_value('revenue_window_months') }} as revenue_window_months
    from {{ ref('tier_rules') }}
),

recent as (
    select documents.*
    from documents
    cross join settings
    cross join rules
    where
        documents.invoiced_on
        >= {{ months_before('settings.as_of', 'rules.revenue_window_months') }}
        and documents.invoiced_on < settings.as_of
),

revenues as (
    select
        customers.customer_id,
        coalesce(sum(recent.net_amount), 0) as annual_revenue
    from customers
    left join recent on customers.customer_id = recent.customer_id
    group by customers.customer_id
),

compared as (
    select
        revenues.customer_id,
        revenues.annual_revenue,
        max(case
            when tiers.is_default or tiers.minimum_annual_revenue <= revenues.annual_revenue
                then tiers.tier_rank
        end) as tier_rank,
        min(case
            when tiers.minimum_annual_revenue > revenues.annual_revenue then tiers.tier_rank
        end) as next_tier_rank
    from revenues
    cross join tiers
    group by revenues.customer_id, revenues.annual_revenue
),

final as (
    select
        compared.customer_id,
        cast(compared.annual_revenue as decimal(28, 6)) as annual_revenue,
        reached.tier,
        following.tier as next_tier,
        cast(following.minimum_annual_revenue - compared.annual_revenue as decimal(28, 6))
            as revenue_to_next_tier
    from compared
    inner join tiers as reached on compared.tier_rank = reached.tier_rank
    left join tiers as following on compared.next_tier_rank = following.tier_rank
)

select * from final
