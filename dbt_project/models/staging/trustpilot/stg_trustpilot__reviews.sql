with

reviews as (
    {{ current_records(source('raw_trustpilot', 'reviews'), ['id']) }}
),

-- Trustpilot writes UTC, with or without the Z that says so.
final as (
    select
        id as review_id,
        cast({{ parse_decimal('stars', '_decimal_mark') }} as integer) as rating,
        {{ cleaned_text('title') }} as title,
        {{ cleaned_text('text') }} as text,
        lower({{ cleaned_text('language') }}) as language,
        {{ cleaned_text('consumer_name') }} as author_name,
        lower({{ cleaned_text('referral_email') }}) as author_email,
        {{ cleaned_text('reference_id') }} as order_reference,
        {{ parse_timestamp("left(created_at, 19) || 'Z'") }} as created_at,
        {{ parse_timestamp("left(updated_at, 19) || 'Z'") }} as updated_at,
        {{ cleaned_text('reply_text') }} as reply_text,
        {{ parse_timestamp("left(reply_at, 19) || 'Z'") }} as replied_at,
        {{ parse_flag('is_verified') }} as is_verified,
        lower({{ cleaned_text('status') }}) as status,
        _load_id as load_id
    from reviews
)

select * from final
