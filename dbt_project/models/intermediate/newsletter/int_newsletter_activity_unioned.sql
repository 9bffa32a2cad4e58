with

email_activity as (
    select * from {{ ref('stg_mailchimp__email_activity') }}
),

final as (
    select
        'mailchimp:' || activity_id as activity_id,
        'mailchimp' as source,
        'mailchimp:' || campaign_id as campaign_id,
        email as contact_point,
        action,
        happened_at,
        url,
        bounce_type,
        load_id
    from email_activity
)

select * from final
