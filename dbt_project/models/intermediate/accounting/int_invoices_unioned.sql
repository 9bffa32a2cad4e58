with

documents as (
    select * from {{ ref('int_documents_summed') }}
),

terms as (
    select * from {{ ref('int_document_terms_unioned') }}
),

credit_notes as (
    select * from {{ ref('int_credit_notes_tied') }}
),

payments as (
    select * from {{ ref('int_payments_matched') }}
    where document_id is not null
),

-- Of two customers under one number the printed amounts are those of the larger share.
ranked as (
    select
        *,
        row_number() over (
            partition by document_key, is_credit_note
            order by
                case when customer_id is null then 1 else 0 end asc,
                abs(net_amount) desc,
                document_id asc
        ) as share_rank
    from documents
),

stated as (
    select
        ranked.*,
        terms.due_on,
        case when ranked.is_credit_note then -1 else 1 end as direction,
        case when ranked.is_credit_note then -1 else 1 end * terms.printed_gross_amount
            as document_gross_amount,
        case when ranked.is_credit_note then -1 else 1 end * terms.stated_open_amount
            as stated_open_amount,
        credit_notes.credited_document_number
    from ranked
    left join terms
        on
            -- A condition on one side alone would make DuckDB compare each row with each.
            case when ranked.share_rank = 1 then ranked.document_key end = terms.document_key
            and ranked.is_credit_note = terms.is_credit_note
    left join credit_notes on ranked.document_id = credit_notes.document_id
),

paid_days as (
    select
        document_id,
        paid_on,
        sum(amount) as amount
    from payments
    group by document_id, paid_on
),

running as (
    select
        stated.document_id,
        stated.direction,
        paid_days.paid_on,
        paid_days.amount,
        stated.direction * (
            stated.document_gross_amount - sum(paid_days.amount)
                over (partition by stated.document_id order by paid_days.paid_on asc)
        ) as open_after
    from stated
    inner join paid_days on stated.document_id = paid_days.document_id
),

settled as (
    select
        document_id,
        cast(sum(amount) as decimal(28, 6)) as settled_amount,
        max(paid_on) as last_paid_on,
        max(paid_on) filter (where open_after <= 0 and open_after + direction * amount > 0)
            as closed_on
    from running
    group by document_id
),

opened as (
    select
        stated.*,
        coalesce(settled.settled_amount, 0) as settled_amount,
        settled.last_paid_on,
        settled.closed_on,
        cast(coalesce(
            stated.stated_open_amount,
            stated.document_gross_amount - coalesce(settled.settled_amount, 0)
        ) as decimal(28, 6)) as open_amount
    from stated
    left join settled on stated.document_id = settled.document_id
),

-- Where a system says that nothing is open, the last payment closed it, whatever it came to.
closed as (
    select
        *,
        case when direction * open_amount <= 0 then coalesce(closed_on, last_paid_on) end
            as paid_on
    from opened
),

final as (
    select
        document_id,
        source,
        document_number,
        customer_id,
        customer_number,
        invoiced_on,
        due_on,
        is_credit_note,
        credited_document_number,
        net_amount,
        document_currency,
        cast(document_gross_amount as decimal(28, 6)) as document_gross_amount,
        settled_amount,
        last_paid_on,
        open_amount,
        paid_on,
        case
            when not is_credit_note then {{ dbt.datediff('due_on', 'paid_on', 'day') }}
        end as payment_delay_days
    from closed
)

select * from final
