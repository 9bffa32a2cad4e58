with

targets as (
    {{ current_records(
        source('raw_monthly_targets', 'targets'),
        [
            "date_trunc('month', " ~ parse_date('month', '_date_order') ~ ')',
            normalised_text('measure'),
        ]
    ) }}
),

final as (
    select
        cast(date_trunc('month', {{ parse_date('month', '_date_order') }}) as date)
            as month_starts_on,
        {{ normalised_text('measure') }} as measure,
        {{ parse_decimal('target', '_decimal_mark') }} as target_amount,
        {{ parse_decimal('actual', '_decimal_mark') }} as actual_amount,
        _load_id as load_id,
        _row as file_row
    from targets
)

select * from final
