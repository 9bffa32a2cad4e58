with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

uncredited as (
    select * from {{ ref('int_sales_lines_uncredited') }}
),

summed as (
    select
        lines.document_id,
        min(lines.document_number) as document_number,
        min(lines.customer_id) as customer_id,
        min(lines.invoiced_on) as invoiced_on,
        bool_or(lines.is_credit_note) as is_credit_note,
        count(*) as line_count,
        sum(lines.line_amount_net) as net_amount,
        sum(uncredited.uncredited_amount) as uncredited_amount
    from lines
    inner join uncredited on lines.line_id = uncredited.line_id
    group by lines.document_id
),

final as (
    select
        document_id,
        document_number,
        customer_id,
        invoiced_on,
        is_credit_note,
        not is_credit_note and uncredited_amount > 0 as is_purchase,
        line_count,
        cast(net_amount as decimal(28, 6)) as net_amount,
        cast(uncredited_amount as decimal(28, 6)) as uncredited_amount
    from summed
)

select * from final
