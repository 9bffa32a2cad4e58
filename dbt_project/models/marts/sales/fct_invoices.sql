with

documents as (
    select * from {{ ref('int_documents_summed') }}
),

final as (
    select
        document_id,
        document_number,
        customer_id,
        invoiced_on,
        is_credit_note,
        is_purchase,
        line_count,
        net_amount,
        uncredited_amount
    from documents
)

select * from final
