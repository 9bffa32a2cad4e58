with

tickets as (
    {{ current_records(source('raw_hubspot', 'tickets'), ['id']) }}
),

final as (
    select
        id as ticket_id,
        {{ cleaned_text('subject') }} as subject,
        {{ plain_text('content') }} as body,
        {{ cleaned_text('hs_pipeline') }} as pipeline,
        {{ cleaned_text('hs_pipeline_stage') }} as stage,
        {{ cleaned_text('hs_ticket_category') }} as category,
        {{ cleaned_text('hs_ticket_priority') }} as priority,
        {{ cleaned_text('source_type') }} as channel,
        {{ parse_timestamp('closed_date') }} as closed_at,
        {{ cleaned_text('customer_number') }} as customer_number,
        lower({{ cleaned_text('customer_email') }}) as customer_email,
        {{ cleaned_text('order_number') }} as order_number,
        {{ cleaned_text('demand') }} as demand,
        {{ parse_decimal('satisfaction', '_decimal_mark') }} as satisfaction,
        {{ cleaned_text('hubspot_owner_id') }} as owner_id,
        {{ parse_timestamp('createdate') }} as created_at,
        {{ parse_timestamp('hs_lastmodifieddate') }} as updated_at,
        _load_id as load_id
    from tickets
)

select * from final
