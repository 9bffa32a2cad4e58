with

members as (
    select * from {{ ref('int_newsletter_members_versioned') }}
    where is_current
),

lists as (
    select * from {{ ref('stg_mailchimp__lists') }}
),

final as (
    select
        {{ short_hash("members.source || ':' || members.source_record") }} as subscription_id,
        members.source,
        members.list_id,
        lists.list_name,
        members.contact_point,
        members.status,
        members.source_status,
        members.is_status_known,
        members.signed_up_at,
        case when members.has_double_opt_in_evidence then members.opted_at end as confirmed_at,
        members.changed_at,
        members.language,
        members.has_double_opt_in_evidence,
        members.load_id
    from members
    left join lists on members.list_id = lists.list_id
)

select * from final
