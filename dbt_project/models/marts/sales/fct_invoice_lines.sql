with

lines as (
    select * from {{ ref('int_sales_lines_uncredited') }}
),

final as (
    select
        source,
        line_id,
        document_id,
        document_number,
        customer_id,
        unmatched_reason,
        invoiced_on,
        is_credit_note,
        product_code,
        product_name,
        quantity,
        unit_price,
        line_amount_net,
        remaining_quantity,
        uncredited_amount,
        file_name,
        file_row,
        load_id
    from lines
)

select * from final
