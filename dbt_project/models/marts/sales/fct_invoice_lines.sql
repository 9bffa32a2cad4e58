with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

uncredited as (
    select * from {{ ref('int_sales_lines_uncredited') }}
),

final as (
    select
        lines.line_id,
        lines.document_id,
        lines.document_number,
        lines.customer_id,
        lines.unmatched_reason,
        lines.invoiced_on,
        lines.is_credit_note,
        lines.product_code,
        lines.product_name,
        lines.quantity,
        lines.unit_price,
        lines.line_amount_net,
        uncredited.remaining_quantity,
        uncredited.uncredited_amount,
        lines.file_name,
        lines.file_row,
        lines.load_id
    from lines
    inner join uncredited on lines.line_id = uncredited.line_id
)

select * from final
