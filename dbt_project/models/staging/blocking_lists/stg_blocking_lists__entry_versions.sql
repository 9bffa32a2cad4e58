with

entries as (
    select
        *,
        {{ cleaned_text('list_name') }} as named_list,
        {{ cleaned_text('channel') }} as way,
        case
            when {{ cleaned_text('channel') }} = 'email' then lower({{ cleaned_text('entry') }})
            else {{ cleaned_text('entry') }}
        end as blocked
    from {{ source('raw_blocking_lists', 'entries') }}
),

ranked as (
    select
        *,
        row_number() over (partition by named_list, way, blocked order by _load_id desc, _row desc)
            as version_rank
    from entries
),

final as (
    select
        _load_id || ':' || _row as version_id,
        named_list as list_name,
        blocked as entry,
        way as channel,
        {{ parse_date('listed_on', '_date_order') }} as listed_on,
        version_rank = 1 as is_current,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _file as file_name,
        _row as file_row
    from ranked
)

select * from final
