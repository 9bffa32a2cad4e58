with

-- A report that goes with its campaign takes back nothing of what was said through it.
unsubscribes as (
    select
        *,
        row_number() over (
            partition by campaign_id, email_id order by _load_id desc, _row desc
        ) as version_rank
    from {{ source('raw_mailchimp', 'unsubscribes') }}
    where not coalesce(_is_deleted, false)
),

final as (
    select
        campaign_id || ':' || email_id as unsubscribe_id,
        campaign_id,
        list_id || ':' || email_id as membership_id,
        list_id,
        email_id as member_id,
        lower({{ cleaned_text('email_address') }}) as email,
        {{ parse_timestamp('timestamp') }} as unsubscribed_at,
        {{ cleaned_text('reason') }} as unsubscribe_reason,
        _pulled_at as pulled_at,
        _load_id as load_id
    from unsubscribes
    where version_rank = 1
)

select * from final
