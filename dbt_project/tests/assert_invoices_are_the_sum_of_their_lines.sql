with

summed as (
    select
        document_id,
        count(*) as line_count,
        sum(line_amount_net) as net_amount
    from {{ ref('fct_invoice_lines') }}
    group by document_id
),

invoices as (
    select * from {{ ref('fct_invoices') }}
),

final as (
    select
        coalesce(invoices.document_id, summed.document_id) as document_id,
        invoices.net_amount,
        summed.net_amount as net_amount_of_lines
    from invoices
    full outer join summed on invoices.document_id = summed.document_id
    where
        invoices.net_amount is distinct from summed.net_amount
        or invoices.line_count is distinct from summed.line_count
)

select * from final
