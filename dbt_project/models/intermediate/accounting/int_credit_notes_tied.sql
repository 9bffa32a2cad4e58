with

documents as (
    select * from {{ ref('int_documents_summed') }}
),

terms as (
    select * from {{ ref('int_document_terms_unioned') }}
    where is_credit_note
),

credit_notes as (
    select
        documents.document_id,
        documents.customer_id,
        documents.invoiced_on,
        terms.credited_document_number,
        terms.reference_text
    from documents
    inner join terms on documents.document_key = terms.document_key
    where documents.is_credit_note
),

words as (
    select
        document_id,
        customer_id,
        invoiced_on,
        {{ text_elements('reference_text', "' '") }} as word
    from credit_notes
    where credited_document_number is null
),

-- A text may name the number of an order as well: only an earlier invoice of the customer counts.
named as (
    select
        words.document_id,
        max_by(invoices.document_number, invoices.invoiced_on) as document_number
    from words
    inner join documents as invoices
        on
            trim(trailing '.,;:)' from words.word) = invoices.document_number
            and words.customer_id = invoices.customer_id
            and words.invoiced_on >= invoices.invoiced_on
    where not invoices.is_credit_note
    group by words.document_id
),

final as (
    select
        credit_notes.document_id,
        coalesce(credit_notes.credited_document_number, named.document_number)
            as credited_document_number
    from credit_notes
    left join named on credit_notes.document_id = named.document_id
    where coalesce(credit_notes.credited_document_number, named.document_number) is not null
)

select * from final
