with

activities as (
    {{ current_records(source('raw_pipedrive', 'activities'), ['id']) }}
),

final as (
    select
        id as activity_id,
        lower({{ cleaned_text('type') }}) as activity_type,
        {{ cleaned_text('subject') }} as subject,
        {{ plain_text('note') }} as body,
        {{ parse_date('due_date', '_date_order') }} as due_on,
        coalesce({{ parse_flag('done') }}, false) as is_done,
        {{ parse_timestamp('marked_as_done_time') }} as done_at,
        {{ cleaned_text('deal_id') }} as deal_id,
        {{ cleaned_text('person_id') }} as person_id,
        {{ cleaned_text('org_id') }} as organization_id,
        {{ cleaned_text('owner_id') }} as owner_id,
        {{ parse_timestamp('add_time') }} as created_at,
        {{ parse_timestamp('update_time') }} as updated_at,
        _load_id as load_id
    from activities
    where not coalesce({{ parse_flag('is_deleted') }}, false)
)

select * from final
