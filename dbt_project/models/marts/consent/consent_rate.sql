with

customers as (
    select * from {{ ref('customer_360') }}
    where order_count > 0
),

permissions as (
    select * from {{ ref('int_customer_permissions') }}
),

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

rules as (
    select {{ rule_value('warn_under_share') }} as warn_under_share from {{ ref('consent_rules') }}
),

-- Confirmed is a permission that was given, not one that follows from the law.
confirmed as (
    select distinct
        customer_id,
        channel
    from permissions
    where reason = 'consent'
),

permitted as (
    select distinct customer_id from confirmed
),

channels as (
    select distinct channel from permissions
),

sources as (
    select distinct
        customer_id,
        source
    from identities
),

judged as (
    select
        customers.*,
        permitted.customer_id is not null as has_permission
    from customers
    left join permitted on customers.customer_id = permitted.customer_id
),

dimensions as (
    select
        'total' as dimension,
        'all customers' as dimension_value,
        has_permission
    from judged
    union all
    select
        'lifecycle' as dimension,
        lifecycle as dimension_value,
        has_permission
    from judged
    union all
    select
        'segment' as dimension,
        abc_class as dimension_value,
        has_permission
    from judged
    union all
    select
        'tier' as dimension,
        tier as dimension_value,
        has_permission
    from judged
    union all
    select
        'source' as dimension,
        sources.source as dimension_value,
        judged.has_permission
    from judged
    inner join sources on judged.customer_id = sources.customer_id
    union all
    select
        'channel' as dimension,
        channels.channel as dimension_value,
        confirmed.customer_id is not null as has_permission
    from judged
    cross join channels
    left join confirmed
        on
            judged.customer_id = confirmed.customer_id
            and channels.channel = confirmed.channel
),

counted as (
    select
        dimension,
        coalesce(dimension_value, 'none') as dimension_value,
        count(*) as customer_count,
        count(case when has_permission then 1 end) as permitted_count
    from dimensions
    group by dimension, coalesce(dimension_value, 'none')
),

-- Compared as whole numbers of customers: half of them is exactly half.
final as (
    select
        counted.dimension,
        counted.dimension_value,
        counted.customer_count,
        counted.permitted_count,
        cast(counted.permitted_count as double) / counted.customer_count as opt_in_rate,
        cast(rules.warn_under_share as double) as warn_under_share,
        counted.permitted_count < rules.warn_under_share * counted.customer_count as is_under
    from counted
    cross join rules
)

select * from final
