with

contacts as (
    {{ current_records(source('raw_hubspot', 'contacts'), ['id']) }}
),

final as (
    select
        id as contact_id,
        lower({{ cleaned_text('email') }}) as email,
        lower({{ cleaned_text('hs_additional_emails') }}) as additional_emails,
        {{ cleaned_text('salutation') }} as salutation,
        {{ cleaned_text('firstname') }} as first_name,
        {{ cleaned_text('lastname') }} as last_name,
        {{ cleaned_text('jobtitle') }} as role,
        {{ cleaned_text('phone') }} as phone,
        {{ cleaned_text('mobilephone') }} as mobile,
        {{ parse_date('date_of_birth', '_date_order') }} as birthday_on,
        lower({{ cleaned_text('hs_language') }}) as language,
        {{ cleaned_text('company') }} as company_name,
        {{ cleaned_text('associatedcompanyid') }} as company_id,
        lower({{ cleaned_text('lifecyclestage') }}) as lifecycle_stage,
        coalesce({{ parse_flag('hs_email_optout') }}, false) as has_objected_to_email,
        {{ cleaned_text('hs_analytics_source') }} as acquisition,
        {{ cleaned_text('hs_analytics_source_data_1') }} as acquisition_detail,
        {{ cleaned_text('hubspot_owner_id') }} as owner_id,
        {{ cleaned_text('hs_merged_object_ids') }} as merged_record_ids,
        {{ parse_timestamp('createdate') }} as created_at,
        {{ parse_timestamp('lastmodifieddate') }} as updated_at,
        _load_id as load_id
    from contacts
)

select * from final
