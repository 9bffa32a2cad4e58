with

batches as (
    select * from {{ source('consent', 'batches') }}
),

final as (
    select
        number as batch,
        rows as event_count,
        first_seq,
        head,
        cast(written_at as timestamp with time zone) as written_at
    from batches
)

select * from final
