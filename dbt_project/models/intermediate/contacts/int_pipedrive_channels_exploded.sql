with

persons as (
    select * from {{ ref('stg_pipedrive__persons') }}
),

exploded as (
    select
        person_id,
        'email' as channel,
        {{ json_elements('emails') }} as entry
    from persons
    union all
    select
        person_id,
        'phone' as channel,
        {{ json_elements('phones') }} as entry
    from persons
),

entries as (
    select
        person_id,
        channel,
        {{ cleaned_text(json_text('entry', '$.value')) }} as value,
        coalesce(lower({{ json_text('entry', '$.label') }}) = 'mobile', false) as is_mobile,
        coalesce({{ parse_flag(json_text('entry', '$.primary')) }}, false) as is_primary
    from exploded
),

final as (
    select
        person_id,
        channel,
        value,
        bool_or(is_mobile) as is_mobile,
        bool_or(is_primary) as is_primary
    from entries
    where value is not null
    group by person_id, channel, value
)

select * from final
