with

deals as (
    {{ current_records(source('raw_hubspot', 'deals'), ['id']) }}
),

final as (
    select
        id as deal_id,
        {{ cleaned_text('dealname') }} as title,
        {{ parse_decimal('amount', '_decimal_mark') }} as amount,
        upper({{ cleaned_text('deal_currency_code') }}) as currency,
        {{ cleaned_text('pipeline') }} as pipeline,
        {{ cleaned_text('dealstage') }} as stage,
        coalesce({{ parse_flag('hs_is_closed') }}, false) as is_closed,
        coalesce({{ parse_flag('hs_is_closed_won') }}, false) as is_won,
        {{ parse_timestamp('closedate') }} as close_at,
        {{ cleaned_text('closed_lost_reason') }} as lost_reason,
        lower({{ cleaned_text('dealtype') }}) as deal_type,
        {{ cleaned_text('order_number') }} as order_number,
        {{ cleaned_text('hs_analytics_source') }} as acquisition,
        {{ cleaned_text('hs_analytics_source_data_1') }} as acquisition_detail,
        {{ cleaned_text('hubspot_owner_id') }} as owner_id,
        {{ parse_timestamp('createdate') }} as created_at,
        {{ parse_timestamp('hs_lastmodifieddate') }} as updated_at,
        _load_id as load_id
    from deals
)

select * from final
