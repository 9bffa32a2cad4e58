with

changes as (
    select * from {{ source('matching', 'changes') }}
),

final as (
    select
        record_kind,
        cast(night as integer) as night,
        kind as change,
        old_id,
        new_id,
        cast(records as integer) as record_count
    from changes
)

select * from final
