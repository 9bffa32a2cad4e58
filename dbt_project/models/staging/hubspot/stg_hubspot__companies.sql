with

companies as (
    {{ current_records(source('raw_hubspot', 'companies'), ['id']) }}
),

final as (
    select
        id as company_id,
        {{ cleaned_text('name') }} as company_name,
        lower({{ cleaned_text('domain') }}) as domain,
        {{ cleaned_text('website') }} as website,
        {{ cleaned_text('phone') }} as phone,
        {{ cleaned_text('address') }} as street,
        {{ cleaned_text('zip') }} as postcode,
        {{ cleaned_text('city') }} as city,
        {{ cleaned_text('country') }} as country,
        {{ cleaned_text('industry') }} as industry,
        lower({{ cleaned_text('lifecyclestage') }}) as lifecycle_stage,
        {{ cleaned_text('customer_number') }} as customer_number,
        {{ cleaned_text('vat_id') }} as vat_id,
        {{ cleaned_text('hs_analytics_source') }} as acquisition,
        {{ cleaned_text('hs_analytics_source_data_1') }} as acquisition_detail,
        {{ cleaned_text('hubspot_owner_id') }} as owner_id,
        {{ cleaned_text('hs_merged_object_ids') }} as merged_record_ids,
        {{ parse_timestamp('createdate') }} as created_at,
        {{ parse_timestamp('hs_lastmodifieddate') }} as updated_at,
        _load_id as load_id
    from companies
)

select * from final
