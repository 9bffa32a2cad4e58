with

permissions as (
    select * from {{ ref('int_customer_permissions') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by
                case when is_allowed then 0 else 1 end asc,
                case when is_allowed then channel_rank else 0 end asc,
                reason_rank asc,
                channel_rank asc,
                valid_from desc,
                subject asc,
                controller asc,
                purpose asc
        ) as permission_rank
    from permissions
),

counted as (
    select
        customer_id,
        count(distinct case when is_allowed then subject end) as reachable_contacts,
        min(case when is_allowed then reason_rank end) as best_reason_rank
    from permissions
    group by customer_id
),

final as (
    select
        counted.customer_id,
        case counted.best_reason_rank
            when 1 then 'confirmed'
            when 2 then 'existing_customer'
            when 3 then 'legitimate_interest'
            else 'none'
        end as consent_status,
        counted.reachable_contacts,
        case when ranked.is_allowed then ranked.contact_point end as best_reachable_contact,
        case when ranked.is_allowed then ranked.channel end as best_reachable_channel,
        case when not ranked.is_allowed then ranked.reason end as not_reachable_reason
    from counted
    inner join ranked
        on
            counted.customer_id = ranked.customer_id
            and ranked.permission_rank = 1
)

select * from final
