with

members as (
    select
        *,
        row_number() over (partition by list_id, id order by _load_id desc, _row desc)
            as version_rank
    from {{ source('raw_mailchimp', 'members') }}
),

final as (
    select
        _load_id || ':' || _row as version_id,
        list_id || ':' || id as membership_id,
        list_id,
        id as member_id,
        lower({{ cleaned_text('email_address') }}) as email,
        {{ cleaned_text('full_name') }} as full_name,
        {{ cleaned_text(json_text('merge_fields', '$.FNAME')) }} as first_name,
        {{ cleaned_text(json_text('merge_fields', '$.LNAME')) }} as last_name,
        {{ cleaned_text(json_text('merge_fields', '$.COMPANY')) }} as company_name,
        {{ cleaned_text('status') }} as source_status,
        {{ parse_timestamp('timestamp_signup') }} as signed_up_at,
        {{ cleaned_text('ip_signup') }} as signed_up_ip,
        {{ parse_timestamp('timestamp_opt') }} as opted_at,
        {{ cleaned_text('ip_opt') }} as opted_ip,
        {{ parse_timestamp('last_changed') }} as changed_at,
        {{ cleaned_text('unsubscribe_reason') }} as unsubscribe_reason,
        -- The form in which the connector lands JSON; quotes within a text are escaped there.
        marketing_permissions like '%"enabled": true%' as has_given_permission,
        {{ cleaned_text('interests') }} as interests,
        {{ cleaned_text('tags') }} as tags,
        {{ cleaned_text('source') }} as acquisition,
        lower({{ cleaned_text('language') }}) as language,
        coalesce({{ parse_flag('vip') }}, false) as is_vip,
        cast({{ parse_decimal('member_rating', '_decimal_mark') }} as integer) as member_rating,
        {{ parse_decimal('avg_open_rate', '_decimal_mark') }} as open_rate,
        {{ parse_decimal('avg_click_rate', '_decimal_mark') }} as click_rate,
        coalesce(_is_deleted, false) as is_deleted,
        version_rank = 1 and not coalesce(_is_deleted, false) as is_current,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _row as file_row
    from members
)

select * from final
