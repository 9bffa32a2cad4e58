with

quarantined_rows as (
    select * from {{ ref('stg_quality__quarantined_rows') }}
),

final as (
    select
        source,
        table_name,
        load_id,
        file_name,
        row_number,
        column_name,
        rule,
        harm,
        remedy,
        value
    from quarantined_rows
)

select * from final
