with

companies as (
    select * from {{ ref('stg_hubspot__companies') }}
    where merged_record_ids is not null
),

contacts as (
    select * from {{ ref('stg_hubspot__contacts') }}
    where merged_record_ids is not null
),

unioned as (
    select
        'companies' as record_type,
        {{ text_elements('merged_record_ids', "';'") }} as merged_record_id,
        company_id as record_id,
        updated_at
    from companies
    union all
    select
        'contacts' as record_type,
        {{ text_elements('merged_record_ids', "';'") }} as merged_record_id,
        contact_id as record_id,
        updated_at
    from contacts
),

final as (
    select
        record_type,
        {{ cleaned_text('merged_record_id') }} as record_id,
        max_by(record_id, updated_at) as merged_into_record_id
    from unioned
    where {{ cleaned_text('merged_record_id') }} is not null
    group by record_type, {{ cleaned_text('merged_record_id') }}
)

select * from final
