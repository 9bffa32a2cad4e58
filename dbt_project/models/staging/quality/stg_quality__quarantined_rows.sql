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
        column_name,
        rule,
        harm,
        remedy,
        value
    from quarantined_rows
)

select * from final
