with

users as (
    {{ current_records(source('raw_pipedrive', 'users'), ['id']) }}
),

final as (
    select
        id as user_id,
        {{ cleaned_text('name') }} as user_name,
        lower({{ cleaned_text('email') }}) as email,
        coalesce({{ parse_flag('active_flag') }}, false) as is_active,
        _load_id as load_id
    from users
)

select * from final
