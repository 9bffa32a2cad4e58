with

lists as (
    select
        *,
        row_number() over (partition by id order by _load_id desc, _row desc) as version_rank
    from {{ source('raw_mailchimp', 'lists') }}
),

final as (
    select
        _load_id || ':' || _row as version_id,
        id as list_id,
        {{ cleaned_text('name') }} as list_name,
        {{ parse_timestamp('date_created') }} as created_at,
        {{ parse_flag('double_optin') }} as has_double_opt_in,
        {{ parse_flag('marketing_permissions') }} as has_marketing_permissions,
        {{ cleaned_text('permission_reminder') }} as permission_reminder,
        cast({{ parse_decimal('member_count', '_decimal_mark') }} as bigint) as subscribed_count,
        cast({{ parse_decimal('unsubscribe_count', '_decimal_mark') }} as bigint)
            as unsubscribed_count,
        cast({{ parse_decimal('cleaned_count', '_decimal_mark') }} as bigint) as bounced_count,
        coalesce(_is_deleted, false) as is_deleted,
        version_rank = 1 and not coalesce(_is_deleted, false) as is_current,
        _pulled_at as pulled_at,
        _load_id as load_id
    from lists
)

select * from final
