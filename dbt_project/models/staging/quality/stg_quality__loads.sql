with

loads as (
    select * from {{ source('raw_quality', 'loads') }}
),

final as (
    select
        source,
        table_name,
        load_id,
        pulled_at,
        file as file_name,
        checksum,
        landed_rows,
        accepted_rows,
        quarantined_rows,
        verdict
    from loads
)

select * from final
