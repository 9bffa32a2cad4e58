with

quarantined_rows as (
    select * from {{ source('raw_quality', 'quarantined_rows') }}
),

final as (
    select
        source,
        table_name,
        load_id,
        file as file_name,
        row_number,
        record_key,
        column_name,
        rule,
        family,
        harm,
        remedy,
        value,
        is_open
    from quarantined_rows
)

select * from final
