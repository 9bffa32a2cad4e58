with

documents as (
    select * from {{ ref('int_documents_summed') }}
),

invoices as (
    select * from {{ ref('int_invoices_unioned') }}
),

final as (
    select
        documents.document_id,
        invoices.source,
        documents.document_number,
        documents.customer_id,
        documents.invoiced_on,
        documents.is_credit_note,
        invoices.credited_document_number,
        documents.is_purchase,
        documents.line_count,
        documents.net_amount,
        documents.uncredited_amount,
        invoices.document_currency,
        invoices.document_gross_amount,
        invoices.settled_amount,
        invoices.open_amount,
        invoices.due_on,
        invoices.paid_on,
        invoices.payment_delay_days
    from documents
    inner join invoices on documents.document_id = invoices.document_id
)

select * from final
