with

lines as (
    select * from {{ ref('int_sales_lines_uncredited') }}
),

summed as (
    select
        document_id,
        min(document_key) as document_key,
        min(source) as source,
        min(document_number) as document_number,
        min(customer_id) as customer_id,
        min(customer_number) as customer_number,
        min(document_currency) as document_currency,
        min(invoiced_on) as invoiced_on,
        bool_or(is_credit_note) as is_credit_note,
        count(*) as line_count,
        sum(line_amount_net) as net_amount,
        sum(uncredited_amount) as uncredited_amount
    from lines
    group by document_id
),

final as (
    select
        document_id,
        document_key,
        source,
        document_number,
        customer_id,
        customer_number,
        document_currency,
        invoiced_on,
        is_credit_note,
        not is_credit_note and uncredited_amount > 0 as is_purchase,
        line_count,
        cast(net_amount as decimal(28, 6)) as net_amount,
        cast(uncredited_amount as decimal(28, 6)) as uncredited_amount
    from summed
)

select * from final
