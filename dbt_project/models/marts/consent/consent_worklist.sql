with

customers as (
    select * from {{ ref('customer_360') }}
    where order_count > 0 and consent_status not in ('confirmed', 'existing_customer')
),

permissions as (
    select * from {{ ref('int_customer_permissions') }}
),

told as (
    select * from {{ ref('stg_product_registrations__registrations') }}
),

identities as (
    select * from {{ ref('stg_matching__identities') }}
    where record_kind = 'person' and source = 'product_registrations'
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

-- By e-mail: by post nearly everybody may be reached.
nearest as (
    select
        customer_id,
        min_by(reason, reason_rank) as no_permission_reason
    from permissions
    where channel = 'email'
    group by customer_id
),

-- Who said no is not asked again.
refused as (
    select distinct customer_id from permissions
    where reason in ('withdrawn', 'objected', 'suppressed', 'erased')
),

registrations as (
    select
        identities.customer_id,
        'product registered' as occasion,
        cast(told.registered_at as date) as occasion_on,
        coalesce(told.product_name, told.product_code) as occasion_detail,
        1 as occasion_rank
    from told
    inner join identities on told.registration_id = identities.record_id
),

unfinished as (
    select
        customer_id,
        case reason
            when 'pending' then 'asked for it and did not confirm'
            when 'unproven' then 'on a list without proof'
            else 'consent was not used for long'
        end as occasion,
        cast(valid_from as date) as occasion_on,
        coalesce(missing_evidence, reason) as occasion_detail,
        2 as occasion_rank
    from permissions
    where reason in ('pending', 'unproven', 'stale', 'lapsed')
),

orders as (
    select
        customer_id,
        'last order' as occasion,
        last_ordered_on as occasion_on,
        tier as occasion_detail,
        3 as occasion_rank
    from customers
),

occasions as (
    select * from registrations
    union all
    select * from unfinished
    union all
    select * from orders
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by occasion_rank asc, occasion_on desc nulls last, occasion_detail asc nulls last
        ) as occasion_order
    from occasions
),

final as (
    select
        row_number() over (
            order by
                customers.net_revenue_12m desc,
                customers.net_revenue_total desc,
                customers.customer_id asc
        ) as worklist_rank,
        customers.customer_id,
        customers.customer_name,
        customers.owner,
        customers.tier,
        customers.net_revenue_12m,
        customers.net_revenue_total,
        customers.reporting_currency,
        coalesce(nearest.no_permission_reason, 'no contact point') as no_permission_reason,
        ranked.occasion,
        ranked.occasion_on,
        ranked.occasion_detail,
        settings.as_of
    from customers
    inner join ranked
        on
            customers.customer_id = ranked.customer_id
            and ranked.occasion_order = 1
    left join nearest on customers.customer_id = nearest.customer_id
    left join refused on customers.customer_id = refused.customer_id
    cross join settings
    where refused.customer_id is null
)

select * from final
