with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
    where customer_id is null
),

final as (
    select
        source,
        line_id as record_id,
        load_id,
        file_name,
        file_row,
        document_number,
        invoiced_on,
        line_amount_net,
        unmatched_reason
    from lines
)

select * from final
