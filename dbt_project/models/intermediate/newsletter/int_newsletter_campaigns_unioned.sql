with

campaigns as (
    select * from {{ ref('stg_mailchimp__campaigns') }}
),

final as (
    select
        'mailchimp:' || campaign_id as campaign_id,
        'mailchimp' as source,
        list_id,
        title,
        subject,
        archive_url,
        sent_at,
        email_count,
        open_count,
        opener_count,
        click_count,
        clicker_count,
        load_id
    from campaigns
)

select * from final
