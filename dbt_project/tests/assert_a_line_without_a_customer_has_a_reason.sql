with

lines as (
    select * from {{ ref('fct_invoice_lines') }}
),

unmatched as (
    select * from {{ ref('unmatched_records') }}
    where record_kind = 'line'
),

final as (
    select
        lines.line_id,
        lines.customer_id,
        lines.unmatched_reason,
        unmatched.record_id
    from lines
    full outer join unmatched on lines.line_id = unmatched.record_id
    where
        (lines.customer_id is null) <> (lines.unmatched_reason is not null)
        or (lines.customer_id is null) <> (unmatched.record_id is not null)
)

select * from final
