with

persons as (
    select * from {{ source('raw_pipedrive', 'persons') }}
    where not coalesce(_is_deleted, false)
),

final as (
    select
        _load_id || ':' || _row as version_id,
        id as person_id,
        emails,
        {{ cleaned_text('marketing_status') }} as marketing_status,
        {{ parse_timestamp('update_time') }} as updated_at,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _row as file_row
    from persons
)

select * from final
