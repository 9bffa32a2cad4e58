with

owners as (
    {{ current_records(source('raw_hubspot', 'owners'), ['id']) }}
),

final as (
    select
        id as owner_id,
        coalesce(
            {{ cleaned_text("concat_ws(' ', first_name, last_name)") }},
            {{ cleaned_text('email') }}
        ) as owner_name,
        lower({{ cleaned_text('email') }}) as email,
        {{ parse_timestamp('created_at') }} as created_at,
        {{ parse_timestamp('updated_at') }} as updated_at,
        _load_id as load_id
    from owners
)

select * from final
