with

campaigns as (
    {{ current_records(source('raw_mailchimp', 'campaigns'), ['id']) }}
),

final as (
    select
        id as campaign_id,
        {{ cleaned_text('list_id') }} as list_id,
        {{ cleaned_text('type') }} as campaign_type,
        {{ cleaned_text('title') }} as title,
        {{ cleaned_text('subject_line') }} as subject,
        {{ cleaned_text('archive_url') }} as archive_url,
        {{ parse_timestamp('send_time') }} as sent_at,
        cast({{ parse_decimal('emails_sent', '_decimal_mark') }} as bigint) as email_count,
        cast({{ parse_decimal('opens', '_decimal_mark') }} as bigint) as open_count,
        cast({{ parse_decimal('unique_opens', '_decimal_mark') }} as bigint) as opener_count,
        cast({{ parse_decimal('clicks', '_decimal_mark') }} as bigint) as click_count,
        cast({{ parse_decimal('unique_clicks', '_decimal_mark') }} as bigint) as clicker_count,
        _load_id as load_id
    from campaigns
)

select * from final
