with

notes as (
    {{ current_records(source('raw_pipedrive', 'notes'), ['id']) }}
),

final as (
    select
        id as note_id,
        {{ plain_text('content') }} as body,
        {{ cleaned_text('deal_id') }} as deal_id,
        {{ cleaned_text('person_id') }} as person_id,
        {{ cleaned_text('org_id') }} as organization_id,
        {{ cleaned_text('user_id') }} as owner_id,
        {{ parse_timestamp("add_time || 'Z'") }} as created_at,
        {{ parse_timestamp("update_time || 'Z'") }} as updated_at,
        _load_id as load_id
    from notes
    where coalesce({{ parse_flag('active_flag') }}, true)
)

select * from final
