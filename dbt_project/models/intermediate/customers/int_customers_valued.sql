with

purchases as (
    select * from {{ ref('int_customers_purchased') }}
),

documents as (
    select * from {{ ref('int_documents_summed') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

rules as (
    select {{ rule_value('revenue_at_stake_months') }} as revenue_at_stake_months
    from {{ ref('lifecycle_rules') }}
),

-- The denominator of the share: anonymous sales are sales of the company, too.
company as (
    select sum(net_amount) as net_revenue
    from documents
),

windows as (
    select
        purchases.customer_id,
        {{ months_before('settings.as_of', 12) }} as year_from,
        purchases.last_ordered_on,
        {{ months_before('purchases.last_ordered_on', 'rules.revenue_at_stake_months') }}
            as at_stake_after
    from purchases
    cross join settings
    cross join rules
),

summed as (
    select
        windows.customer_id,
        sum(documents.net_amount) as net_revenue_total,
        sum(case when documents.invoiced_on >= windows.year_from then documents.net_amount end)
            as net_revenue_12m,
        sum(case
            when
                documents.invoiced_on > windows.at_stake_after
                and documents.invoiced_on <= windows.last_ordered_on
                then documents.net_amount
        end) as net_revenue_to_last_order,
        max(documents.invoiced_on) as sales_fed_on
    from windows
    inner join documents on windows.customer_id = documents.customer_id
    group by windows.customer_id
),

final as (
    select
        summed.customer_id,
        cast(summed.net_revenue_total as decimal(28, 6)) as net_revenue_total,
        cast(coalesce(summed.net_revenue_12m, 0) as decimal(28, 6)) as net_revenue_12m,
        cast(coalesce(summed.net_revenue_to_last_order, 0) as decimal(28, 6))
            as net_revenue_to_last_order,
        case
            when company.net_revenue > 0
                then cast(summed.net_revenue_total as double) / cast(company.net_revenue as double)
        end as revenue_share,
        summed.sales_fed_on
    from summed
    cross join company
)

select * from final
