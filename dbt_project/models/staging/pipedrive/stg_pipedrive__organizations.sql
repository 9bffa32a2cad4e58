with

organizations as (
    {{ current_records(source('raw_pipedrive', 'organizations'), ['id']) }}
),

final as (
    select
        id as organization_id,
        {{ cleaned_text('name') }} as organization_name,
        {{ cleaned_text('vat_id') }} as vat_id,
        {{ cleaned_text('acquisition') }} as acquisition,
        coalesce(
            {{ cleaned_text("concat_ws(' ', street, street_number)") }},
            {{ cleaned_text('address') }}
        ) as street,
        {{ cleaned_text('postcode') }} as postcode,
        {{ cleaned_text('city') }} as city,
        {{ cleaned_text('country') }} as country,
        {{ cleaned_text('website') }} as website,
        {{ cleaned_text('owner_id') }} as owner_id,
        {{ parse_timestamp('add_time') }} as created_at,
        {{ parse_timestamp('update_time') }} as updated_at,
        _load_id as load_id
    from organizations
    where not coalesce({{ parse_flag('is_deleted') }}, false)
)

select * from final
