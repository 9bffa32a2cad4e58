with

persons as (
    {{ current_records(source('raw_pipedrive', 'persons'), ['id']) }}
),

final as (
    select
        id as person_id,
        {{ cleaned_text('name') }} as full_name,
        {{ cleaned_text('first_name') }} as first_name,
        {{ cleaned_text('last_name') }} as last_name,
        emails,
        phones,
        {{ cleaned_text('job_title') }} as role,
        {{ parse_date('birthday', '_date_order') }} as birthday_on,
        {{ cleaned_text('marketing_status') }} as marketing_status,
        {{ cleaned_text('org_id') }} as organization_id,
        {{ cleaned_text('owner_id') }} as owner_id,
        {{ parse_timestamp('add_time') }} as created_at,
        {{ parse_timestamp('update_time') }} as updated_at,
        _load_id as load_id
    from persons
    where not coalesce({{ parse_flag('is_deleted') }}, false)
)

select * from final
