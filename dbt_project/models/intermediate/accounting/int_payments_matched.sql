with

payments as (
    select payments.*
    from {{ ref('int_payments_unioned') }} as payments
    cross join {{ ref('stg_company__settings') }} as settings
    where payments.paid_on < settings.as_of
),

documents as (
    select * from {{ ref('int_documents_summed') }}
    where document_number is not null
),

accounting_sources as (
    select * from {{ ref('accounting_sources') }}
),

-- Numbers restart every year, and a credit note may bear the number of an invoice: its money goes
-- the other way.
candidates as (
    select
        payments.source,
        payments.payment_id,
        documents.document_id,
        row_number() over (
            partition by payments.source, payments.payment_id
            order by
                case when documents.is_credit_note = (payments.amount < 0) then 0 else 1 end asc,
                documents.invoiced_on desc,
                case
                    when documents.customer_number = payments.customer_number then 0 else 1
                end asc,
                documents.document_id asc
        ) as candidate_rank
    from payments
    inner join documents
        on
            payments.document_number = documents.document_number
            and payments.paid_on >= documents.invoiced_on
    where coalesce(payments.customer_number = documents.customer_number, true)
),

matched as (
    select
        payments.*,
        candidates.document_id,
        accounting_sources.precedence,
        coalesce(
            candidates.document_id,
            payments.document_number || ':' || coalesce(payments.customer_number, '')
        ) as settled_thing
    from payments
    inner join accounting_sources on payments.source = accounting_sources.source
    left join candidates
        on
            payments.source = candidates.source
            and payments.payment_id = candidates.payment_id
            and candidates.candidate_rank = 1
),

-- What two systems tell of one document is the same money twice: the better one's counts.
compared as (
    select
        *,
        max(precedence) over (partition by settled_thing) as best_precedence
    from matched
),

final as (
    select
        source,
        payment_id,
        document_id,
        document_number,
        customer_number,
        payment_kind,
        paid_on,
        amount,
        currency
    from compared
    where precedence = best_precedence or settled_thing is null
)

select * from final
