with

deals as (
    {{ current_records(source('raw_pipedrive', 'deals'), ['id']) }}
),

final as (
    select
        id as deal_id,
        {{ cleaned_text('title') }} as title,
        {{ parse_decimal('value', '_decimal_mark') }} as amount,
        upper({{ cleaned_text('currency') }}) as currency,
        status,
        coalesce(
            {{ parse_timestamp('won_time') }},
            {{ parse_timestamp('lost_time') }},
            {{ parse_timestamp('close_time') }}
        ) as closed_at,
        {{ cleaned_text('lost_reason') }} as lost_reason,
        {{ parse_date('expected_close_date', '_date_order') }} as expected_close_on,
        {{ cleaned_text('channel_id') }} as channel_origin,
        {{ cleaned_text('origin') }} as record_origin,
        {{ cleaned_text('person_id') }} as person_id,
        {{ cleaned_text('org_id') }} as organization_id,
        {{ cleaned_text('owner_id') }} as owner_id,
        {{ parse_timestamp('add_time') }} as created_at,
        {{ parse_timestamp('update_time') }} as updated_at,
        _load_id as load_id
    from deals
    where not coalesce({{ parse_flag('is_deleted') }}, false)
)

select * from final
