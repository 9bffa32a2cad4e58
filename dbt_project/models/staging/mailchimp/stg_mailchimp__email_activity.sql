with

email_activity as (
    {{ current_records(
        source('raw_mailchimp', 'email_activity'),
        ['campaign_id', 'email_id', 'action', 'timestamp', 'position']
    ) }}
),

-- Without the IP address: nothing is made of it.
final as (
    select
        campaign_id || ':' || email_id || ':' || action || ':' || timestamp || ':' || position
            as activity_id,
        campaign_id,
        {{ cleaned_text('list_id') }} as list_id,
        email_id as member_id,
        lower({{ cleaned_text('email_address') }}) as email,
        {{ cleaned_text('action') }} as action,
        {{ parse_timestamp('timestamp') }} as happened_at,
        {{ cleaned_text('url') }} as url,
        {{ cleaned_text('bounce_type') }} as bounce_type,
        _load_id as load_id
    from email_activity
)

select * from final
