with

changes as (
    select * from {{ ref('stg_matching__changes') }}
),

final as (
    select
        record_kind,
        night,
        change,
        old_id,
        new_id,
        record_count
    from changes
)

select * from final
