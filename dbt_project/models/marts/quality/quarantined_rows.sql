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
